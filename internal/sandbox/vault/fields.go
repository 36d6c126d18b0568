package vault

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The fields of a Vault request come as their type or as text. The functions
// here read either, and their errors are worded as Vault's.

func integer(given any) (int, error) {
	switch g := given.(type) {
	case nil:
		return 0, nil
	case float64:
		return int(g), nil
	case string:
		if g == "" {
			return 0, nil
		}
		n, err := strconv.ParseInt(g, 0, 0)
		if err != nil {
			return 0, fmt.Errorf("cannot parse '' as int: %w", err)
		}
		return int(n), nil
	}
	return 0, fmt.Errorf("'' expected type 'int', got unconvertible type '%T'", given)
}

// seconds reads a duration, which without a unit is in seconds.
func seconds(given any) (int, error) {
	text, isText := given.(string)
	if !isText {
		return integer(given)
	}
	if n, err := strconv.Atoi(text); err == nil || text == "" {
		return n, nil
	}
	if days, err := strconv.Atoi(strings.TrimSuffix(text, "d")); err == nil {
		return days * 24 * 3600, nil
	}
	d, err := time.ParseDuration(text)
	return int(d.Seconds()), err
}

// texts reads a list of strings, which may be one string with commas.
func texts(given any) []string {
	list := []string{}
	switch g := given.(type) {
	case string:
		for part := range strings.SplitSeq(g, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
	case []any:
		for _, item := range g {
			list = append(list, strings.TrimSpace(fmt.Sprint(item)))
		}
	}
	return list
}

func text(given any) string {
	if given == nil {
		return ""
	}
	return fmt.Sprint(given)
}

func (req *vaultRequest) text(field string) string { return text(req.body[field]) }

func (req *vaultRequest) flag(field string) bool {
	b, _ := strconv.ParseBool(req.text(field))
	return b
}

func unconvertible(field string, err error) *vaultReply {
	return refuse(http.StatusBadRequest, "error converting input for field %q: %v", field, err)
}
