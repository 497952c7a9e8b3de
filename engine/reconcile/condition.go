package reconcile

import (
	"slices"
	"time"
)

// Condition is one finding about an object, kept with the time at which it last changed.
type Condition struct {
	Type    string    `json:"type"` // what it is about, such as the name of a step
	OK      bool      `json:"ok"`
	Reason  string    `json:"reason,omitempty"`  // one word for programs
	Message string    `json:"message,omitempty"` // a sentence for people
	Since   time.Time `json:"since"`
}

// SetCondition puts next into the list in the place of the condition of its type, since now. It reports whether that changed
// anything; if not, the condition keeps its time. So a caller logs when it is true, and only then.
func SetCondition(list *[]Condition, next Condition, now time.Time) (changed bool) {
	next.Since = now
	i := slices.IndexFunc(*list, func(c Condition) bool { return c.Type == next.Type })
	if i < 0 {
		*list = append(*list, next)
		return true
	}
	old := (*list)[i]
	if old.OK == next.OK && old.Reason == next.Reason && old.Message == next.Message {
		return false
	}
	(*list)[i] = next
	return true
}
