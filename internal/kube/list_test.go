package kube_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"

	"plan/internal/kube"
	"plan/internal/kube/kubetest"
)

var pvs = kube.Resource{Version: "v1", Resource: "persistentvolumes"}

func volume(i int) string {
	return fmt.Sprintf(`{"metadata":{"name":"pv-%04d","managedFields":[{"manager":"x"}]},"spec":{"futureField":{"a":[1,2.50]}}}`, i)
}

func volumes(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = volume(i)
	}
	return list
}

// collect copies a list's items.
func collect(t *testing.T, c *kube.Client, r kube.Resource, size int) (items []string, pages int, err error) {
	t.Helper()
	for page, err := range c.List(t.Context(), r, size) {
		if err != nil {
			return items, pages, err
		}
		pages++
		for _, item := range page.Items {
			items = append(items, string(item))
		}
	}
	return items, pages, nil
}

func TestListGivesTheServersBytesOverAllPages(t *testing.T) {
	for _, size := range []int{1, 2, 7, 10, 1000} {
		for _, n := range []int{0, 1, 7, 20} {
			t.Run(fmt.Sprintf("%d in pages of %d", n, size), func(t *testing.T) {
				s := kubetest.New(t)
				want := volumes(n)
				s.Add(pvs, "PersistentVolume", want...)
				got, pages, err := collect(t, s.Client(t), pvs, size)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(strings.Join(want, "\n"), strings.Join(got, "\n")); diff != "" {
					t.Error(diff)
				}
				if wantPages := max(1, (n+size-1)/size); pages != wantPages {
					t.Errorf("%d pages, want %d", pages, wantPages)
				}
			})
		}
	}
}

func TestPageSaysKindVersionAndRest(t *testing.T) {
	s := kubetest.New(t)
	s.Add(pvs, "PersistentVolume", volumes(5)...)
	for page, err := range s.Client(t).List(t.Context(), pvs, 2) {
		if err != nil {
			t.Fatal(err)
		}
		page.Items = nil
		want := kube.Page{ResourceVersion: "1006", APIVersion: "v1", Kind: "PersistentVolume", Remaining: 3}
		if diff := cmp.Diff(want, page); diff != "" {
			t.Error(diff)
		}
		break
	}
}

func TestListIsOfOneMomentThoughObjectsAreAdded(t *testing.T) {
	s := kubetest.New(t)
	s.Add(pvs, "PersistentVolume", volumes(6)...)
	n := 0
	for page, err := range s.Client(t).List(t.Context(), pvs, 2) {
		if err != nil {
			t.Fatal(err)
		}
		n += len(page.Items)
		s.Add(pvs, "PersistentVolume", volume(100+n))
	}
	if n != 6 {
		t.Errorf("%d items, want the 6 of the list's beginning", n)
	}
}

func TestListEndsWithOneError(t *testing.T) {
	code := func(want int32) func(error) bool {
		return func(err error) bool {
			status, ok := errors.AsType[*apierrors.StatusError](err)
			return ok && status.ErrStatus.Code == want
		}
	}
	is := func(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }
	tests := map[string]struct {
		fault kubetest.Fault
		want  func(error) bool
		items int
	}{
		"not served":                {kubetest.Fault{Status: 404}, is(kube.ErrNotServed), 0},
		"not served is a status":    {kubetest.Fault{Status: 404}, code(404), 0},
		"forbidden":                 {kubetest.Fault{Status: 403}, apierrors.IsForbidden, 0},
		"expired":                   {kubetest.Fault{Path: "continue", Kth: 2, Status: 410}, is(kube.ErrExpired), 4},
		"expired is a status":       {kubetest.Fault{Path: "continue", Kth: 2, Status: 410}, code(410), 4},
		"internal error":            {kubetest.Fault{Kth: 3, Status: 500}, apierrors.IsInternalError, 4},
		"proxy without a Status":    {kubetest.Fault{Kth: 2, Status: 502, Plain: true}, code(502), 2},
		"body cut":                  {kubetest.Fault{Kth: 2, Cut: 100}, is(io.ErrUnexpectedEOF), 2},
		"body cut, length adjusted": {kubetest.Fault{Kth: 2, Cut: 100, Honest: true}, is(io.ErrUnexpectedEOF), 2},
		"429 for ever":              {kubetest.Fault{Status: 429, RetryAfter: "0"}, apierrors.IsTooManyRequests, 0},
		"429 without Retry-After":   {kubetest.Fault{Kth: 1, Status: 429}, apierrors.IsTooManyRequests, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := kubetest.New(t)
			s.Add(pvs, "PersistentVolume", volumes(9)...)
			s.Fail(tt.fault)
			c := s.Client(t)
			items, _, err := collect(t, c, pvs, 2)
			if err == nil || !tt.want(err) {
				t.Fatalf("error %v", err)
			}
			if !strings.Contains(err.Error(), "list persistentvolumes at "+c.Host()) {
				t.Errorf("error does not say what and where: %v", err)
			}
			if len(items) != tt.items {
				t.Errorf("%d items before the error, want %d", len(items), tt.items)
			}
		})
	}
}

func TestListComesAgainWhenTheServerIsBusy(t *testing.T) {
	s := kubetest.New(t)
	s.Add(pvs, "PersistentVolume", volumes(5)...)
	s.Fail(kubetest.Fault{Kth: 1, Status: 429, RetryAfter: "0"})
	s.Fail(kubetest.Fault{Kth: 3, Status: 503, RetryAfter: "0"})
	items, _, err := collect(t, s.Client(t), pvs, 2)
	if err != nil || len(items) != 5 {
		t.Errorf("%d items, %v", len(items), err)
	}
}

func TestListOfACRDThatIsNotInstalled(t *testing.T) {
	s := kubetest.New(t)
	r := kube.Resource{Group: "longhorn.io", Version: "v1beta2", Resource: "volumes", Namespace: "longhorn-system"}
	if _, _, err := collect(t, s.Client(t), r, 0); !errors.Is(err, kube.ErrNotServed) {
		t.Errorf("error %v, want ErrNotServed", err)
	}
	s.Add(r, "Volume", `{"apiVersion":"longhorn.io/v1beta2","kind":"Volume","metadata":{"name":"a","namespace":"longhorn-system"}}`,
		`{"apiVersion":"longhorn.io/v1beta2","kind":"Volume","metadata":{"name":"b","namespace":"elsewhere"}}`)
	items, _, err := collect(t, s.Client(t), r, 0)
	if err != nil || len(items) != 1 {
		t.Errorf("%d items, %v; want the one of the namespace", len(items), err)
	}
}

func TestListStopsWhenTheCallerDoes(t *testing.T) {
	s := kubetest.New(t)
	s.Add(pvs, "PersistentVolume", volumes(50)...)
	for range s.Client(t).List(t.Context(), pvs, 1) {
		break
	}
	if n := len(s.Requests()); n > 2 {
		t.Errorf("%d requests, want at most the page and the one fetched ahead", n)
	}
}

func TestListStopsWhenCancelled(t *testing.T) {
	s := kubetest.New(t)
	s.Add(pvs, "PersistentVolume", volumes(50)...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range s.Client(t).List(ctx, pvs, 1) {
		cancel()
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("error %v, want Canceled", last)
	}
}

func TestUnreachableServerIsNamedWithTheCause(t *testing.T) {
	c, err := kube.New(&rest.Config{Host: "https://127.0.0.1:1"}, "", "default")
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.UID(t.Context())
	if err == nil || !strings.Contains(err.Error(), "get namespace kube-system at https://127.0.0.1:1: ") ||
		!strings.Contains(err.Error(), "refused") || strings.Contains(err.Error(), "Get \"") {
		t.Errorf("error %v", err)
	}
}

func TestListPassesTheSelectorOnEveryPage(t *testing.T) {
	s := kubetest.New(t)
	for i := range 9 {
		s.Add(pvs, "PersistentVolume", fmt.Sprintf(`{"metadata":{"name":"pv-%d","labels":{"tier":"%d"}}}`, i, i%3))
	}
	selected := pvs
	selected.Selector = "tier in (0,2)"
	items, pages, err := collect(t, s.Client(t), selected, 2)
	if err != nil || len(items) != 6 || pages != 3 {
		t.Errorf("%d items in %d pages, %v: %v", len(items), pages, err, items)
	}
	for _, r := range s.Requests() {
		if !strings.Contains(r.Query, "labelSelector=tier+in+%280%2C2%29") {
			t.Errorf("a request without the selector: %s", r.Query)
		}
	}
}
