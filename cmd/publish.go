package cmd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/pushgateway"
	"github.com/secretctl/secretctl/internal/verify"
)

// publishLimit is how long results may take to be handed on, which is done also
// where --timeout has passed.
const publishLimit = 20 * time.Second

// The reasons of the Events.
const (
	reasonVerified = "SecretctlVerified"
	reasonFailed   = "SecretctlVerifyFailed"
)

// publishOptions is where results go besides the report.
type publishOptions struct {
	metricsFile, pushURL string
	event                bool
}

func (o *publishOptions) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.metricsFile, "metrics-file", "", "also write the results in Prometheus's text format to this file")
	f.StringVar(&o.pushURL, "push-url", "", "also put the results to this Pushgateway, such as https://pushgateway:9091")
	f.BoolVar(&o.event, "event", false, "also leave the result as an Event at the Deployment in the cluster")
}

func (a *app) pushgateway(url string) pushgateway.Options {
	return pushgateway.Options{URL: url, AllowHTTP: a.allowHTTP, Log: a.log()}
}

// checkPublish refuses what could not work, before anything is attempted.
func (a *app) checkPublish(o publishOptions) error {
	if o.event {
		all, err := a.deliveries() // which is told of when the checks should run
		if err == nil && slices.ContainsFunc(all, func(d *config.Delivery) bool { return !cluster.Configured(a.clusterOf(d)) }) {
			return usagef("set KUBECONFIG, or give --kubeconfig and --context", "--event: no cluster is configured")
		}
	}
	if o.pushURL == "" {
		return nil
	}
	return a.pushgateway(o.pushURL).Check()
}

// publish hands the results on. Each way is tried, whatever becomes of the others.
func (a *app) publish(o publishOptions, r verify.Report) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.ctx), publishLimit)
	defer cancel()
	var errs []error
	var metrics bytes.Buffer
	if o.metricsFile != "" || o.pushURL != "" {
		errs = append(errs, verify.WriteMetrics(&metrics, r, time.Now()))
	}
	if o.metricsFile != "" {
		errs = append(errs, writeFile(o.metricsFile, func(w io.Writer) error {
			_, err := w.Write(metrics.Bytes())
			return err
		}))
	}
	if o.pushURL != "" {
		errs = append(errs, pushgateway.Put(ctx, a.pushgateway(o.pushURL), metrics.Bytes()))
	}
	if o.event {
		errs = append(errs, a.emit(ctx, r))
	}
	return join(errs...)
}

// emit leaves an Event at the Deployment of each delivery that the report is about,
// or of all where nothing could be checked.
func (a *app) emit(ctx context.Context, r verify.Report) error {
	all, err := a.deliveries()
	if err != nil {
		return nil //nolint:nilerr // it kept the checks from running, and is reported as that
	}
	errs := make([]error, len(all))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, d := range all {
		n, ok := notice(d, r)
		if !ok {
			continue
		}
		group.Go(func() error {
			c, err := a.kubernetes(d)
			if err == nil {
				err = c.EmitEvent(ctx, n)
			}
			if err != nil {
				errs[i] = fmt.Errorf("event: %s%w", a.of(d), err)
			}
			return nil
		})
	}
	_ = group.Wait() // the errors are in their list
	return join(errs...)
}

// notice says what came of a delivery, if the report is about it.
func notice(d *config.Delivery, r verify.Report) (cluster.Notice, bool) {
	n := cluster.Notice{Namespace: d.Namespace, Deployment: d.Aidbox.Deployment, Action: "Verify", Reason: reasonVerified}
	failed := r.Error
	var notes []string
	i := slices.IndexFunc(r.Deliveries, func(one verify.DeliveryReport) bool { return one.Name == d.Name })
	if i >= 0 {
		one := r.Deliveries[i]
		if len(r.Deliveries) > 1 {
			failed = one.Error
		}
		notes = append(notes, one.Headline())
		n.Warning = !one.OK()
	}
	if failed != nil {
		notes = append(notes, "did not finish: "+failed.Message)
		n.Warning = true
	}
	if n.Note = strings.Join(notes, "; "); n.Warning {
		n.Reason = reasonFailed
	}
	return n, len(notes) > 0
}
