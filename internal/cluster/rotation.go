package cluster

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/version"
)

// Mechanism is how a driver notices that a secret has a new value.
type Mechanism string

// From version 1.6.0 on, kubelet has each volume published again, and the driver skips
// what comes too early; earlier drivers look by themselves.
const (
	Republish Mechanism = "republish"
	Ticker    Mechanism = "ticker"
	Unknown   Mechanism = "unknown"
)

const (
	republishPeriod = 90 * time.Second // kubelet's pod sync: a minute, and up to half of it more
	fetchTime       = 30 * time.Second // for the provider and the store
)

// Rotation is whether and how a new value reaches the mounted files.
type Rotation struct {
	Known     bool // whether Enabled is certain
	Enabled   bool
	Mechanism Mechanism
	Interval  time.Duration // --rotation-poll-interval, or its default
	Assumed   bool          // the interval is the default because nobody could read the flags
	Why       string        // one sentence: what was found
}

// RotationOf derives the rotation from the driver's registration, nil if it could not be
// read, and from the agents that [Cluster.Agents] found.
func RotationOf(registration *CSIDriver, agents []Agent) Rotation {
	r := Rotation{Mechanism: Unknown, Interval: defaultPollInterval, Assumed: true}
	if len(agents) == 0 || agents[0].Role != RoleDriver {
		r.Why = "no DaemonSet of the driver was found, so its version and flags are not known"
		return r
	}
	driver := agents[0]
	name := "the driver (of unknown version)"
	if v, err := version.ParseGeneric(driver.Version); err == nil {
		r.Mechanism, name = Ticker, "driver "+driver.Version
		if v.AtLeast(version.MajorMinor(1, 6)) {
			r.Mechanism = Republish
		}
	}
	r.Interval, r.Assumed = driver.PollInterval, false
	flags := fmt.Sprintf("%s, DaemonSet %s/%s, runs with --enable-secret-rotation=%t and --rotation-poll-interval=%s",
		name, driver.Namespace, driver.Name, driver.RotationEnabled, driver.PollInterval)
	switch {
	case !driver.RotationEnabled:
		r.Known, r.Why = true, flags+", so it does not rotate"
	case r.Mechanism == Ticker:
		r.Known, r.Enabled, r.Why = true, true, flags+", and looks for new values by itself"
	case registration == nil:
		r.Enabled, r.Why = true, flags+"; whether its CSIDriver object has requiresRepublish could not be read"
	case registration.RequiresRepublish:
		r.Known, r.Enabled, r.Why = true, true, flags+", and its CSIDriver object has requiresRepublish"
	default:
		r.Known, r.Why = r.Mechanism == Republish, flags+", and its CSIDriver object lacks requiresRepublish, so kubelet does not ask for new values"
	}
	return r
}

// Deadline returns how long after the write to the store the mounted files can take to
// change, and one sentence that explains it. age is how long ago they last changed; a
// longer one shortens the wait. If the mechanism is not known, the later deadline counts.
// It means nothing unless the rotation is enabled.
func (r Rotation) Deadline(age time.Duration) (time.Duration, string) {
	gate := max(0, r.Interval-max(0, age))
	republish, ticker := gate+republishPeriod+fetchTime, r.Interval+fetchTime
	interval := r.Interval.String()
	if r.Assumed {
		interval += " (its default: what is set is not known)"
	}
	rest := fmt.Sprintf("with %s for the provider and the store this makes", fetchTime)
	switch {
	case r.Mechanism == Ticker:
		return ticker, fmt.Sprintf("the driver looks every %s; %s %s", interval, rest, ticker)
	case r.Mechanism == Unknown && ticker > republish:
		return ticker, fmt.Sprintf("the driver's version is not known, so it may look only every %s; %s %s", interval, rest, ticker)
	}
	return republish, fmt.Sprintf("the driver skips what comes within %s of the last change, which leaves %s, and kubelet asks up to %s later; %s %s",
		interval, gate, republishPeriod, rest, republish)
}
