package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/cluster"
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
	if o.event && !cluster.Configured(a.clusterOptions()) {
		return usagef("set KUBECONFIG, or give --kubeconfig and --context", "--event: no cluster is configured")
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
	return errors.Join(errs...)
}

// emit leaves an Event at the Deployment of each delivery that the report is about,
// or of all where nothing could be checked.
func (a *app) emit(ctx context.Context, r verify.Report) error {
	all, err := a.deliveries()
	if err != nil {
		return nil //nolint:nilerr // it kept the checks from running, and is reported as that
	}
	var errs []error
	for _, d := range all {
		i := slices.IndexFunc(r.Deliveries, func(one verify.DeliveryReport) bool { return one.Name == d.Name })
		if i < 0 && r.Error == nil {
			continue
		}
		n := cluster.Notice{Namespace: d.Namespace, Deployment: d.Aidbox.Deployment, Action: "Verify", Reason: reasonVerified}
		var notes []string
		if i >= 0 {
			notes = append(notes, r.Deliveries[i].Headline())
			n.Warning = !r.Deliveries[i].OK()
		}
		if r.Error != nil {
			notes = append(notes, "did not finish: "+r.Error.Message)
			n.Warning = true
		}
		if n.Note = strings.Join(notes, "; "); n.Warning {
			n.Reason = reasonFailed
		}
		c, err := a.kubernetes(d)
		if err == nil {
			err = c.EmitEvent(ctx, n)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("event: %w", err))
		}
	}
	return errors.Join(errs...)
}
