package insights

import (
	"bytes"
	"slices"
	"time"
)

// Why calls may be missing.
const (
	lostLog     = "a part of the audit log was gone before it was counted"
	garbageLog  = "the audit log has lines that are no audit events"
	failedAudit = "kube-apiserver could not write audit events"
)

const (
	// maxGaps is how many gaps of a cluster are told apart.
	maxGaps = 20
	// nearGaps is how near two gaps are that count as one.
	nearGaps = time.Minute
)

// gap is a time of which not all calls are known.
type gap struct {
	From time.Time `json:"from,omitzero"` // zero where nothing before it is known
	To   time.Time `json:"to"`
	Why  string    `json:"why"`
}

// String says when it was, and why.
func (g gap) String() string {
	const form = "2006-01-02 15:04:05 UTC"
	if g.From.IsZero() {
		return "until " + g.To.UTC().Format(form) + ": " + g.Why
	}
	return "from " + g.From.UTC().Format(form) + " to " + g.To.UTC().Format(form) + ": " + g.Why
}

// withGap are gaps with another one, which grows the last of its kind where it is near.
func withGap(gaps []gap, g gap) []gap {
	if g.From.After(g.To) { // the clock went back
		g.From = g.To
	}
	gaps = slices.Clone(gaps)
	for i := range gaps {
		if near := &gaps[i]; near.Why == g.Why && g.From.Sub(near.To) <= nearGaps && near.From.Sub(g.To) <= nearGaps {
			if g.From.Before(near.From) {
				near.From = g.From
			}
			if g.To.After(near.To) {
				near.To = g.To
			}
			return gaps
		}
	}
	gaps = append(gaps, g)
	if len(gaps) > maxGaps { // too many to be told apart: the two oldest become one
		gaps[1].From = gaps[0].From
		gaps = gaps[1:]
	}
	return gaps
}

// lasting are those gaps that reach into the time after a moment.
func lasting(gaps []gap, since time.Time) []gap {
	return slices.DeleteFunc(slices.Clone(gaps), func(g gap) bool { return g.To.Before(since) })
}

// eventTime is when the event in a line of an audit log was written; zero for a line that does not say so. Strings in it have their quotes
// escaped, so that none of them can be taken for the member.
func eventTime(line []byte) time.Time {
	const member = `"stageTimestamp":"`
	i := bytes.LastIndex(line, []byte(member))
	if i < 0 {
		return time.Time{}
	}
	rest := line[i+len(member):]
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, string(rest[:end]))
	if err != nil {
		return time.Time{}
	}
	return at
}
