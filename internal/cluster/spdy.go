package cluster

import (
	"encoding/json"
	"io"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apistream "k8s.io/apimachinery/pkg/util/httpstream" //nolint:staticcheck // client-go's Upgrader has its Connection
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// maxStatus is how much of a refusal is read, in bytes.
const maxStatus = 64 << 10

// needsSPDY reports whether to try SPDY, which older clusters and proxies speak, after
// WebSocket has failed: after any answer but the right one. A proxy may have given
// it, and the right to exec can be for SPDY's verb only.
func needsSPDY(err error) bool {
	return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
}

// spdyTransport is client-go's, with the API server's status in its errors.
func spdyTransport(config *rest.Config) (http.RoundTripper, spdy.Upgrader, error) {
	rt, upgrader, err := spdy.RoundTripperFor(config)
	return rt, statusUpgrader{upgrader}, err
}

type statusUpgrader struct{ spdy.Upgrader }

// NewConnection returns a StatusError if the API server refuses.
func (u statusUpgrader) NewConnection(resp *http.Response) (apistream.Connection, error) {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return u.Upgrader.NewConnection(resp)
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxStatus))
	status := metav1.Status{Message: string(body)}
	_ = json.Unmarshal(body, &status)    // a proxy answers in its own words
	status.Code = int32(resp.StatusCode) //nolint:gosec // three digits
	return nil, &apierrors.StatusError{ErrStatus: status}
}
