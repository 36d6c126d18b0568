package cluster

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
)

// Deployment returns a Deployment as it is written. Unlike a [Workload] it has the
// values of environment variables, which may be secret.
func (c *Cluster) Deployment(ctx context.Context, namespace, name string) (appsv1.Deployment, error) {
	return get[appsv1.Deployment](ctx, c, appsObject("deployments", namespace, name), nil)
}
