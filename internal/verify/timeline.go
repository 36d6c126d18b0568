package verify

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// Moment is an event of a rotation.
type Moment struct {
	Secret   string        `json:"secret"`  // that was rotated
	Replica  string        `json:"replica"` // "pod/aidbox-7d4"; "" for events that concern all
	What     string        `json:"what"`    // "file changed"
	AfterMS  int64         `json:"afterMs"`
	Deadline time.Duration `json:"-"` // of the rotation, for the file
}

// After returns the time since the write to the store, or since following began.
func (m Moment) After() time.Duration { return time.Duration(m.AfterMS) * time.Millisecond }

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
	t.moments = append(t.moments, Moment{Replica: replica, What: what, AfterMS: after.Milliseconds()})
	return after
}

// of returns the moments as those of a secret's rotation.
func (t *timeline) of(secret string, deadline time.Duration) []Moment {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.moments {
		t.moments[i].Secret, t.moments[i].Deadline = secret, deadline
	}
	return t.moments
}
