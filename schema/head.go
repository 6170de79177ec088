package schema

import (
	"bytes"

	"gopkg.in/yaml.v3"
)

const (
	headSize    = 32 << 10  // what is looked at first of a large file
	headAllowed = 128 << 10 // the size from which on it is
)

// Head reads the first lines of a large file, as Parse does. A file that is wrong throughout is so in its first lines too, and all of
// it need not be read to find as many problems as are told. Whatever stands last in the lines may go on behind them and is not judged, nor
// is the last step. The document is nil, without problems, where the first lines do not tell enough.
func (d *Document) Head() (*Document, Problems) {
	if len(d.data) < headAllowed {
		return nil, nil
	}
	end := bytes.LastIndexByte(d.data[:headSize], '\n')
	if end < 0 {
		return nil, nil
	}
	return parseHead(d.File, d.data[:end+1])
}

func parseHead(file string, lines []byte) (*Document, Problems) {
	d := newDocument(file, lines)
	root, ps := d.decode(lines)
	if len(ps) > 0 || root.Kind != yaml.MappingNode {
		return nil, nil
	}
	d.open = map[*yaml.Node]bool{}
	for n := root; ; n = n.Content[len(n.Content)-1] {
		d.open[n] = true
		if len(n.Content) == 0 {
			break
		}
		if n.Kind == yaml.SequenceNode && d.last == nil {
			d.last = n.Content[len(n.Content)-1]
			d.unseen = d.last.Line
		}
	}
	if ps := d.strict(root); ps.Stopped() {
		return nil, ps
	} else if len(ps) > 0 {
		return nil, nil
	}
	d.Root = root
	return d, nil
}
