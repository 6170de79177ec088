package podlogs

import (
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// What is kept of the logs of a run, in bytes. All must fit in a ConfigMap.
const (
	TailPerPod = 64 << 10
	TailOfAll  = 700 << 10

	tailLine = TailPerPod / 4 // of one line
)

// Tail keeps the ends of the logs of pods, in whole lines: TailPerPod of each, TailOfAll together, where the oldest lines go first. It may
// be used by several goroutines.
type Tail struct {
	mask func(string) string

	mu    sync.Mutex
	pods  map[string]*kept
	lines []*keptLine // of all pods, as they came
	gone  int         // how many of these are dropped; never the first
	size  int
}

type kept struct {
	lines []*keptLine
	size  int
}

type keptLine struct {
	pod  string
	text string // empty: dropped
}

// NewTail makes an empty Tail. Mask hides values in texts; nothing is kept that did not pass it.
func NewTail(mask func(string) string) *Tail { return &Tail{mask: mask, pods: map[string]*kept{}} }

// Add keeps a line: its time, a space, and the line as it is printed. A very long one is cut.
func (t *Tail) Add(l Line) {
	l.Notice = t.mask(l.Notice)
	text := l.Time.UTC().Format(time.RFC3339Nano) + " " + l.show(t.mask(l.Text))
	if len(text) >= tailLine {
		end := tailLine - 1 - len(cutMark)
		for !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end] + cutMark
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add(&keptLine{l.Pod, text + "\n"})
}

const cutMark = " [plan: the rest is not kept]"

func (t *Tail) add(l *keptLine) {
	p := t.pods[l.pod]
	if p == nil {
		p = new(kept)
		t.pods[l.pod] = p
	}
	p.lines = append(p.lines, l)
	p.size += len(l.text)
	t.lines = append(t.lines, l)
	t.size += len(l.text)
	for p.size > TailPerPod {
		t.drop(p)
	}
	for t.size > TailOfAll || t.lines[0].text == "" {
		if oldest := t.lines[0]; oldest.text != "" {
			t.drop(t.pods[oldest.pod])
		}
		t.lines = t.lines[1:]
		t.gone--
	}
	if t.gone > len(t.lines)/2 {
		t.lines = slices.DeleteFunc(t.lines, func(l *keptLine) bool { return l.text == "" })
		t.gone = 0
	}
}

// drop drops the oldest line of a pod.
func (t *Tail) drop(p *kept) {
	l := p.lines[0]
	p.size -= len(l.text)
	t.size -= len(l.text)
	l.text = ""
	t.gone++
	p.lines[0] = nil
	if p.lines = p.lines[1:]; len(p.lines) == 0 {
		delete(t.pods, l.pod)
	}
}

// Pods is what is kept, by the name of the pod; each line ends with a newline.
func (t *Tail) Pods() map[string]string {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make(map[string]string, len(t.pods))
	for name, p := range t.pods {
		var b strings.Builder
		for _, l := range p.lines {
			b.WriteString(l.text)
		}
		all[name] = b.String()
	}
	return all
}
