module github.com/refit-dev/refit

go 1.26
