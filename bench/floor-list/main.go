// Command floor-list reads lists, page by page with client-go, and throws them away: those whose paths are given, or else those that a backup
// of volumes is made of.
package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const pageSize = 500

// token is in the list's metadata, which the server writes before the items; of resources that a CRD defines, after them.
var token = regexp.MustCompile(`"continue":"([^"]*)"`)

func main() {
	paths := os.Args[1:]
	if len(paths) == 0 {
		paths = []string{"/apis/storage.k8s.io/v1/storageclasses", "/api/v1/persistentvolumes", "/api/v1/persistentvolumeclaims"}
	}
	total, err := run(context.Background(), paths)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(total, "bytes")
}

func run(ctx context.Context, paths []string) (total int, err error) {
	client, err := connect()
	if err != nil {
		return 0, err
	}
	for _, path := range paths {
		n, err := list(ctx, client, path)
		if err != nil {
			return 0, fmt.Errorf("list %s: %w", path, err)
		}
		total += n
	}
	return total, nil
}

func connect() (*rest.RESTClient, error) {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	config.QPS = -1
	config.DisableCompression = true
	config.GroupVersion = &schema.GroupVersion{Version: "v1"}
	config.NegotiatedSerializer = serializer.NewCodecFactory(runtime.NewScheme()).WithoutConversion()
	return rest.RESTClientFor(config)
}

func list(ctx context.Context, client *rest.RESTClient, path string) (total int, err error) {
	for next := ""; ; {
		page, err := client.Get().AbsPath(path).Param("limit", strconv.Itoa(pageSize)).Param("continue", next).SetHeader("Accept", "application/json").DoRaw(ctx)
		if err != nil {
			return 0, err
		}
		total += len(page)
		found := token.FindSubmatch(page[:min(len(page), 2048)])
		if found == nil {
			found = token.FindSubmatch(page[max(len(page)-2048, 0):])
		}
		if found == nil || len(found[1]) == 0 {
			return total, nil
		}
		next = string(found[1])
	}
}
