package verify

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"
)

// Moment is something that was seen to happen during a rotation.
type Moment struct {
	Replica string // "pod/aidbox-7d4"; "" for what concerns all of them
	What    string // "file changed"
	After   time.Duration
}

// What a timeline has.
const (
	momentWritten  = "store written"
	momentFollowed = "started to follow"
	momentNudged   = "pod annotated"
	momentStatus   = "pod status changed"
	momentFile     = "file changed"
	momentAccepted = "new value accepted"
	momentRefused  = "old value refused"

	momentLate = "not in time: " // before one that did not come
)

// What the times of a timeline count from.
const (
	originWrite  = "the write"
	originFollow = "the start"
)

// Origin says what the times of a timeline count from.
func Origin(all []Moment) string {
	if len(all) > 0 && all[0].What == momentFollowed {
		return originFollow
	}
	return originWrite
}

// Late says that it did not happen in time.
func (m Moment) Late() bool { return strings.HasPrefix(m.What, momentLate) }

// Where returns the replica, or else what the moment is about.
func (m Moment) Where() string {
	switch {
	case m.Replica != "":
		return m.Replica
	case m.What == momentWritten, m.What == momentFollowed:
		return "store"
	}
	return "aidbox.url"
}

// MarshalJSON writes the documented form, with the time in milliseconds.
func (m Moment) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Replica string `json:"replica"`
		What    string `json:"what"`
		AfterMS int64  `json:"afterMs"`
	}{m.Replica, m.What, m.After.Milliseconds()})
}

// timeline collects moments from several goroutines. They count from the write to
// the store.
type timeline struct {
	mu      sync.Mutex
	start   time.Time
	moments []Moment
}

func (t *timeline) add(replica, what string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.start.IsZero() {
		t.start = time.Now()
	}
	after := time.Since(t.start)
	t.moments = append(t.moments, Moment{replica, what, after})
	return after
}

// sorted returns what was seen, in the order of time.
func (t *timeline) sorted() []Moment {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.SortedStableFunc(slices.Values(t.moments), func(a, b Moment) int { return cmp.Compare(a.After, b.After) })
}
