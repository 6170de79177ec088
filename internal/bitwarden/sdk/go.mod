module plan/internal/bitwarden/sdk

go 1.26.0

require plan v0.0.0

require (
	github.com/google/uuid v1.6.0 // indirect
	golang.org/x/time v0.16.0 // indirect
)

replace plan => ../../..
