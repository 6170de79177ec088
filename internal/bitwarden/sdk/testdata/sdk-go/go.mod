module github.com/bitwarden/sdk-go

go 1.21
