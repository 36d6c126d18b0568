package keyvault

import (
	"cmp"
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const keyVaultPage = 25 // rows; no page has more

// keyVaultRow is a secret or a version, in the order in which Key Vault keeps them.
type keyVaultRow struct {
	key  string
	item *keyVaultItem // nil where the list passes the row over
}

type keyVaultList struct {
	Value    []*keyVaultItem `json:"value"`
	NextLink *string         `json:"nextLink"`
}

func (v *Server) list(req *keyVaultRequest) *keyVaultReply {
	return v.listSecrets(req, v.visible)
}

func (v *Server) listDeleted(req *keyVaultRequest) *keyVaultReply {
	return v.listSecrets(req, func(s *keyVaultSecret) bool { return s.state() == onlyDeleted })
}

// listSecrets lists secrets without a version, described by their last one.
func (v *Server) listSecrets(req *keyVaultRequest, listed func(*keyVaultSecret) bool) *keyVaultReply {
	var rows []keyVaultRow
	for key, s := range v.secrets {
		if !listed(s) {
			continue
		}
		item := v.describe(req, s, s.last())
		item.ID = strings.TrimSuffix(item.ID, "/"+s.last().id)
		rows = append(rows, keyVaultRow{key, &item})
		for _, version := range s.versions {
			rows = append(rows, keyVaultRow{key: key + "/" + version.id})
		}
	}
	return req.page(rows)
}

// listVersions lists the versions of a secret, by their ids and not by their age.
func (v *Server) listVersions(req *keyVaultRequest) *keyVaultReply {
	var rows []keyVaultRow
	if v.visible(req.secret) {
		for _, version := range req.secret.versions {
			item := v.describe(req, req.secret, version)
			rows = append(rows, keyVaultRow{version.id, &item})
		}
	}
	return req.page(rows)
}

// page answers with the rows from $skiptoken on. As in Azure, maxresults counts
// the rows that are looked at, those passed over included. So a page can be short
// or empty and nevertheless be followed by another.
func (req *keyVaultRequest) page(rows []keyVaultRow) *keyVaultReply {
	limit, err := strconv.Atoi(cmp.Or(req.query.Get("maxresults"), strconv.Itoa(keyVaultPage)))
	if err != nil || limit < 1 || limit > keyVaultPage {
		return badParameter("maxresults is not between 1 and %d", keyVaultPage)
	}
	from, err := base64.RawURLEncoding.DecodeString(req.query.Get("$skiptoken"))
	if err != nil {
		return badParameter("$skiptoken is not valid")
	}
	slices.SortFunc(rows, func(a, b keyVaultRow) int { return cmp.Compare(a.key, b.key) })
	start, _ := slices.BinarySearchFunc(rows, string(from), func(row keyVaultRow, key string) int { return cmp.Compare(row.key, key) })
	end := min(start+limit, len(rows))

	list := keyVaultList{Value: []*keyVaultItem{}}
	for _, row := range rows[start:end] {
		if row.item != nil {
			list.Value = append(list.Value, row.item)
		}
	}
	if end < len(rows) {
		link := req.nextLink(rows[end].key, limit)
		list.NextLink = &link
	}
	return &keyVaultReply{body: list}
}

// nextLink names the port even where the client did not, as Azure does.
func (req *keyVaultRequest) nextLink(key string, limit int) string {
	base := req.base
	if u, err := url.Parse(base); err == nil && u.Port() == "" {
		base += ":443"
	}
	return base + "/" + req.path + "?api-version=" + url.QueryEscape(req.query.Get("api-version")) +
		"&$skiptoken=" + base64.RawURLEncoding.EncodeToString([]byte(key)) + "&maxresults=" + strconv.Itoa(limit)
}
