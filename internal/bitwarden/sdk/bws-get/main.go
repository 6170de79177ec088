// Command bws-get prints the value of one secret of Bitwarden Secrets Manager, read with Bitwarden's official SDK:
//
//	BWS_ACCESS_TOKEN=… bws-get UUID
//
// BWS_SERVER_URL names another server than the US cloud; BWS_STATE_FILE a file that keeps the session, which saves logins. It ends with 0, with
// 1 if the value could not be read, and with 2 if it was called wrongly.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"plan/internal/bitwarden/sdk"
)

func main() {
	syscall.Umask(0o077) // the SDK makes its state file as the umask allows, and it holds the organization's key
	os.Exit(run(context.Background(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr, sdk.Official))
}

var errUsage = errors.New("usage: BWS_ACCESS_TOKEN=… bws-get UUID")

func run(ctx context.Context, args []string, getenv func(string) string, out, errw io.Writer, open func(api, identity *string) (sdk.SDK, error)) int {
	err := get(ctx, args, getenv, out, open)
	switch {
	case errors.Is(err, errUsage):
		fmt.Fprintln(errw, err)
		return 2
	case err != nil:
		fmt.Fprintln(errw, "bws-get:", err)
		return 1
	}
	return 0
}

func get(ctx context.Context, args []string, getenv func(string) string, out io.Writer, open func(api, identity *string) (sdk.SDK, error)) error {
	if len(args) != 1 || getenv("BWS_ACCESS_TOKEN") == "" {
		return errUsage
	}
	api, identity, err := sdk.URLs(getenv("BWS_SERVER_URL"))
	if err != nil {
		return err
	}
	handle, err := open(api, identity)
	if err != nil {
		return err
	}
	defer handle.Close()
	client, err := sdk.New(handle, "", getenv("BWS_ACCESS_TOKEN"), getenv("BWS_STATE_FILE"))
	if err != nil {
		return err
	}
	secret, err := client.Secret(ctx, args[0])
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, secret.Value)
	return err
}
