package verify

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"
)

// Moment is an event of a rotation.
type Moment struct {
	Secret   string        // that was rotated
	Replica  string        // "pod/aidbox-7d4"; "" for events that concern all
	What     string        // "file changed"
	After    time.Duration // the write to the store, or the start of following
	Deadline time.Duration // of the rotation, for the file
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

	momentLate = "not in time: " // before one that did not happen
)

// What the times of a timeline count from.
const (
	originWrite  = "the write"
	originFollow = "the start"
)

// Rotations splits a timeline by the secrets that were rotated, one after the other.
func Rotations(timeline []Moment) (rotations [][]Moment) {
	for len(timeline) > 0 {
		end := slices.IndexFunc(timeline, func(m Moment) bool { return m.Secret != timeline[0].Secret })
		if end < 0 {
			end = len(timeline)
		}
		rotations, timeline = append(rotations, timeline[:end]), timeline[end:]
	}
	return rotations
}

// Origin returns what the times of a rotation count from.
func Origin(all []Moment) string {
	if len(all) > 0 && all[0].What == momentFollowed {
		return originFollow
	}
	return originWrite
}

// Late reports whether the event did not happen in time.
func (m Moment) Late() bool { return strings.HasPrefix(m.What, momentLate) }

// Where returns the replica, or else what the event concerns.
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
		Secret  string `json:"secret"`
		Replica string `json:"replica"`
		What    string `json:"what"`
		AfterMS int64  `json:"afterMs"`
	}{m.Secret, m.Replica, m.What, m.After.Milliseconds()})
}

// timeline collects moments from several goroutines. Times count from the first one.
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
	t.moments = append(t.moments, Moment{Replica: replica, What: what, After: after})
	return after
}

// sorted returns the moments of a secret's rotation by time.
func (t *timeline) sorted(secret string, deadline time.Duration) []Moment {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.moments {
		t.moments[i].Secret, t.moments[i].Deadline = secret, deadline
	}
	return slices.SortedStableFunc(slices.Values(t.moments), func(a, b Moment) int { return cmp.Compare(a.After, b.After) })
}
