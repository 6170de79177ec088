package etcd

import (
	"context"
	"errors"
	"slices"
	"strings"

	"plan/internal/checks"
	"plan/internal/etcdsnapshot"
)

// lookInto looks at the newest snapshots as deep as was asked for, and at the newest of the schedule too, when that is another one: its age
// is what is judged.
func (l *look) lookInto(ctx context.Context) {
	sample := l.usable[:1]
	if l.Depth != depthAge {
		sample = l.usable[:min(l.Sample, len(l.usable))]
	}
	sample = slices.Clone(sample)
	if s, ok := l.scheduled(); ok && !slices.ContainsFunc(sample, func(other etcdsnapshot.Snapshot) bool { return other.Key == s.Key }) {
		sample = append(sample, s)
	}
	for i, s := range sample {
		meta, err := l.head(ctx, s.Key)
		if err != nil {
			l.add(checks.Broken(s.Key, err))
			continue
		}
		l.judgeOwner(s, meta)
		matches := i > 0 || l.judgeToken(s, meta)
		if err := etcdsnapshot.SoundSize(s); err != nil {
			l.add(l.damaged(s, err))
			continue
		}
		l.judgeContent(ctx, s, meta, i == 0 && matches)
	}
}

// judgeContent looks at a snapshot's bytes.
func (l *look) judgeContent(ctx context.Context, s etcdsnapshot.Snapshot, meta etcdsnapshot.Meta, unlock bool) {
	var err error
	how := l.Depth
	switch l.Depth {
	case depthStructure:
		err = etcdsnapshot.Structure(ctx, l.store, s)
	case depthChecksum:
		err = etcdsnapshot.Checksum(ctx, l.store, s, l.env.Progress)
	case depthOpen:
		var c etcdsnapshot.Content
		if c, err = etcdsnapshot.Open(ctx, l.store, s, "", l.env.Progress); err == nil && l.judgeBootstrap(s, meta, c, unlock) {
			how += ", and by the token"
		}
	}
	switch {
	case errors.Is(err, etcdsnapshot.ErrDamaged):
		l.add(l.damaged(s, err))
	case errors.Is(err, etcdsnapshot.ErrTooLarge):
		l.add(checks.Finding{Name: TooLarge, Verdict: checks.Unknown, Object: s.Key, Message: "it is larger than any database that etcd supports, and was not opened",
			Cause: err.Error(), Next: "use depth: checksum, and defragment etcd, or find out who put it there"})
	case err != nil:
		l.add(checks.Broken(s.Key, err))
	case l.fresh != nil && l.fresh.Object == s.Key:
		l.fresh.Data["depth"] = l.Depth
		if l.Depth != depthAge {
			l.fresh.Message += "; sound (" + how + ")"
		}
	}
}

func (l *look) damaged(s etcdsnapshot.Snapshot, err error) checks.Finding {
	return checks.Finding{Name: Damaged, Verdict: checks.Fail, Object: s.Key, Message: "it cannot be restored: it is damaged", Cause: err.Error(),
		Next: "make a new one (etcd-snapshot save) and verify that; look at the server's disk, the upload and the store"}
}

// judgeToken compares the token that was given with the hash that k3s wrote beside the newest snapshot. It tells whether they match as far
// as is known. At depth open the snapshot itself tells, so that a missing hash does not matter.
func (l *look) judgeToken(s etcdsnapshot.Snapshot, meta etcdsnapshot.Meta) bool {
	hash := meta.TokenHash
	if hash == "" {
		hash = l.records.hashes[s.Name]
	}
	switch {
	case l.token.Hash() == "" || hash == "" && l.Depth == depthOpen:
		return true
	case hash == "":
		l.add(checks.Finding{Name: NoMetadata, Verdict: checks.Unknown, Object: s.Key, Message: "it does not say which token it was made with",
			Cause: "a k3s made it that writes no token hash, or it was copied without its metadata", Next: "use depth: open, which tries the token on the snapshot itself"})
		return true
	case hash != l.token.Hash():
		l.add(l.mismatch(s, "its metadata names the token with hash "+hash+", the one given has hash "+l.token.Hash()))
		return false
	}
	return true
}

func (l *look) mismatch(s etcdsnapshot.Snapshot, cause string) checks.Finding {
	return checks.Finding{Name: TokenMismatch, Verdict: checks.Fail, Object: s.Key, Message: "the token that was given does not open it", Cause: cause,
		Next: "keep the servers' current token (backup-node-token); after a rotation keep the old one as well, as long as there are snapshots made with it"}
}

// judgeBootstrap looks for what k3s needs besides etcd's data to restore: certificate authorities and keys, encrypted with the token.
// It tells whether the token that was given opens that, if unlock asks for it.
func (l *look) judgeBootstrap(s etcdsnapshot.Snapshot, meta etcdsnapshot.Meta, c etcdsnapshot.Content, unlock bool) (opened bool) {
	hashes := make([]string, 0, len(c.Bootstrap))
	for hash := range c.Bootstrap {
		hashes = append(hashes, hash)
	}
	slices.Sort(hashes)
	none := checks.Finding{Name: NoBootstrap, Verdict: checks.Fail, Object: s.Key, Message: "a server that is restored from it would not be this cluster's",
		Next: "see that these are snapshots of k3s' or RKE2's own etcd, and make a new one"}
	data, ok := c.Bootstrap[l.token.Hash()]
	switch {
	case len(hashes) == 0:
		none.Cause = "it holds no key /bootstrap/…, where the cluster's certificate authorities are"
		l.add(none)
	case meta.TokenHash != "" && c.Bootstrap[meta.TokenHash] == nil:
		none.Cause = "its metadata names the token with hash " + meta.TokenHash + ", and it holds bootstrap data for " + strings.Join(hashes, ", ")
		l.add(none)
	case !unlock || l.token.Hash() == "":
	case !ok:
		l.add(l.mismatch(s, "it holds bootstrap data for the tokens with hash "+strings.Join(hashes, ", ")+", the one given has hash "+l.token.Hash()))
	default:
		err := etcdsnapshot.Unlock(data, l.token.Password())
		if opened = err == nil; !opened {
			l.add(l.mismatch(s, err.Error()))
		}
	}
	if l.fresh != nil && l.fresh.Object == s.Key {
		l.fresh.Data["revision"], l.fresh.Data["records"] = c.Revision, c.Records
	}
	return opened
}
