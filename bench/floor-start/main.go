// Command floor-start does nothing, with what any program of this kind links: the REST client of Kubernetes and the S3 client.
package main

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	_, err := rest.HTTPClientFor(&rest.Config{Host: "https://localhost"})
	fmt.Println("linked", clientcmd.RecommendedHomeFile != "", s3.New(s3.Options{Region: "us-east-1"}) != nil, err)
}
