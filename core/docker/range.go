package docker

// APIRange returns the oldest and the newest version of the engine's API that
// this build speaks: "1.24", "1.51".
func APIRange() (oldest, newest string) { return oldestAPI, newestAPI }
