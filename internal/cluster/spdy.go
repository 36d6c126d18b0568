package cluster

import (
	"encoding/json"
	"io"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

const (
	pingPeriod = 10 * time.Second // keeps what is in between from closing an idle connection
	maxStatus  = 64 << 10         // the longest Status that is read, in bytes
)

// needsSPDY says whether SPDY, which older clusters and proxies speak, is worth a
// try after WebSocket has failed. It is so after any answer but the right one: a
// proxy may have given it, and the right to exec can be for SPDY's verb alone.
func needsSPDY(err error) bool {
	return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
}

// spdyTransport is client-go's, but for its errors: they keep the status.
func spdyTransport(config *rest.Config) (http.RoundTripper, httpstream.UpgradeRoundTripper, error) {
	tlsConfig, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, nil, err
	}
	upgrader, err := spdy.NewRoundTripperWithConfig(spdy.RoundTripperConfig{TLS: tlsConfig, Proxier: config.Proxy, PingPeriod: pingPeriod})
	if err != nil {
		return nil, nil, err
	}
	rt, err := rest.HTTPWrappersForConfig(config, upgrader)
	return rt, statusUpgrader{upgrader}, err
}

type statusUpgrader struct{ httpstream.UpgradeRoundTripper }

// NewConnection returns a StatusError where the API server refuses.
func (u statusUpgrader) NewConnection(resp *http.Response) (httpstream.Connection, error) {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return u.UpgradeRoundTripper.NewConnection(resp)
	}
	var status metav1.Status
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxStatus))
	if err == nil {
		err = json.Unmarshal(body, &status)
	}
	if err != nil || status.Code == 0 {
		status = metav1.Status{Code: int32(resp.StatusCode), Message: string(body)} //nolint:gosec // three digits
	}
	return nil, &apierrors.StatusError{ErrStatus: status}
}
