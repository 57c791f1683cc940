package main

import (
	"slices"
	"testing"
)

func TestEnginesAreNamedOnlyWhereThereAreSeveral(t *testing.T) {
	t.Parallel()
	one, two := kept{Container: "web", Engine: "A"}, kept{Container: "web", Engine: "B"}
	for name, tt := range map[string]struct {
		list []kept
		want bool
	}{
		"one engine":  {[]kept{one, one}, false},
		"two engines": {[]kept{one, two}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := backupTable(tt.list)
			if got := slices.Contains(table[0], "ENGINE"); got != tt.want {
				t.Errorf("the table names engines: %t", got)
			}
			for _, row := range table {
				if len(row) != len(table[0]) {
					t.Errorf("a row has %d columns, the head %d", len(row), len(table[0]))
				}
			}
		})
	}
}
