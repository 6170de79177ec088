// Command floor-job creates a Job and waits for its end as plainly as it can be done with client-go: a create and a watch. With -logs it also
// follows the logs of all pods and counts their lines.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	image, pods, logs := flag.String("image", "", "the image"), flag.Int("pods", 1, "how many pods"), flag.Bool("logs", false, "follow the logs")
	flag.Parse()
	lines, err := run(context.Background(), *image, int32(*pods), *logs, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if *logs {
		fmt.Println(lines, "lines")
	}
}

func run(ctx context.Context, image string, pods int32, logs bool, command []string) (int64, error) {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return 0, fmt.Errorf("read kubeconfig: %w", err)
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return 0, err
	}
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("floor-%d", time.Now().UnixNano())}}
	job.Spec = batchv1.JobSpec{
		Parallelism: &pods, Completions: &pods, BackoffLimit: new(int32), CompletionMode: new(batchv1.IndexedCompletion),
		Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever, AutomountServiceAccountToken: new(false),
			Containers: []corev1.Container{{Name: "main", Image: image, Command: command}},
		}},
	}
	job, err = client.BatchV1().Jobs("default").Create(ctx, job, metav1.CreateOptions{})
	if err != nil {
		return 0, err
	}
	var lines atomic.Int64
	var group sync.WaitGroup
	follow, stop := context.WithCancel(ctx)
	if logs {
		group.Go(func() { follower(follow, client, job.Name, int(pods), &lines) })
	}
	err = wait(ctx, client, job)
	if err != nil {
		stop()
	}
	group.Wait()
	stop()
	return lines.Load(), err
}

// wait ends with the Job's terminal condition.
func wait(ctx context.Context, client kubernetes.Interface, job *batchv1.Job) error {
	w, err := client.BatchV1().Jobs("default").Watch(ctx, metav1.SingleObject(job.ObjectMeta))
	if err != nil {
		return err
	}
	defer w.Stop()
	for e := range w.ResultChan() {
		j, ok := e.Object.(*batchv1.Job)
		if !ok {
			return fmt.Errorf("watch: %v", e.Object)
		}
		for _, c := range j.Status.Conditions {
			if c.Status == corev1.ConditionTrue && c.Type == batchv1.JobComplete {
				return nil
			}
			if c.Status == corev1.ConditionTrue && c.Type == batchv1.JobFailed {
				return errors.New(c.Message)
			}
		}
	}
	return errors.New("the watch ended before the job")
}

// follower follows the log of each pod once it runs, to its end.
func follower(ctx context.Context, client kubernetes.Interface, job string, pods int, lines *atomic.Int64) {
	w, err := client.CoreV1().Pods("default").Watch(ctx, metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + "=" + job})
	if err != nil {
		return
	}
	defer w.Stop()
	var group sync.WaitGroup
	defer group.Wait()
	seen := map[string]bool{}
	for e := range w.ResultChan() {
		p, ok := e.Object.(*corev1.Pod)
		if !ok || seen[p.Name] || p.Status.Phase == corev1.PodPending {
			continue
		}
		seen[p.Name] = true
		group.Go(func() {
			body, err := client.CoreV1().Pods("default").GetLogs(p.Name, &corev1.PodLogOptions{Follow: true}).Stream(ctx)
			if err != nil {
				return
			}
			defer body.Close()
			for s := bufio.NewScanner(body); s.Scan(); {
				lines.Add(1)
			}
		})
		if len(seen) == pods {
			return
		}
	}
}
