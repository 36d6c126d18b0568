package azure

import "net/http"

// Client is how the session talks to Azure.
func (s *Session) Client() *http.Client { return s.client }
