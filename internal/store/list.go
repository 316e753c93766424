package store

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// List walks an index. The cursor is a position, not a row: it stays good when
// its row is changed or deleted.
func (c *collection[T]) List(ctx context.Context, r Reader, s Scope, q Query) ([]Doc[T], error) {
	text, args, err := c.listSQL(s, q)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", c.Table, err)
	}
	var docs []Doc[T]
	err = Select(ctx, r, text, args, func(scan func(...any) error) error {
		var d Doc[T]
		var number int
		var document, value string
		if err := scan(&d.Scope.Account, &d.Scope.Region, &d.Key, &d.Version, &number, &document, &value); err != nil {
			return err
		}
		var err error
		if d.Value, err = c.decode(document, number); err != nil {
			return fmt.Errorf("decode %s: %w", d.Key, err)
		}
		d.Cursor = encodeCursor(q.Index, value, d.Key, d.Scope)
		docs = append(docs, d)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", c.Table, err)
	}
	return docs, nil
}

func (c *collection[T]) listSQL(s Scope, q Query) (string, []any, error) {
	by := `"key"`
	if q.Index != "" {
		if _, ok := c.Index[q.Index]; !ok {
			return "", nil, fmt.Errorf("no index %q", q.Index)
		}
		by = column(q.Index)
	}
	var where []string
	var args []any
	add := func(condition string, values ...any) {
		for _, v := range values {
			args = append(args, v)
			condition = strings.Replace(condition, "?", fmt.Sprintf("$%d", len(args)), 1)
		}
		where = append(where, condition)
	}
	// The order ends with what the scope does not fix, so that it is total.
	order := []string{by, `"key"`}
	if s.Account != "" {
		add("account = ?", s.Account)
	} else {
		order = append(order, "account")
	}
	if s.Region != "" {
		add("region = ?", s.Region)
	} else {
		order = append(order, "region")
	}
	switch {
	case q.Equal != "":
		add(by+" = ?", q.Equal)
	case q.Prefix != "":
		// No text sorts between a prefix and the prefix followed by the last code point but those that begin with it.
		add(by+" >= ? AND "+by+" < ?", q.Prefix, q.Prefix+"\U0010FFFF")
	}
	compare, direction := ">", ""
	if q.Desc {
		compare, direction = "<", " DESC"
	}
	if q.After != "" {
		at, err := decodeCursor(q.Index, q.After)
		if err != nil {
			return "", nil, err
		}
		values := []any{at.Value, at.Key}
		if s.Account == "" {
			values = append(values, at.Account)
		}
		if s.Region == "" {
			values = append(values, at.Region)
		}
		add("("+strings.Join(order, ", ")+") "+compare+" (?"+strings.Repeat(", ?", len(values)-1)+")", values...)
	}
	text := `SELECT account, region, "key", version, schema_number, document, ` + by + " FROM " + quote(c.Table)
	if len(where) > 0 {
		text += " WHERE " + strings.Join(where, " AND ")
	}
	text += " ORDER BY " + strings.Join(order, direction+", ") + direction
	if q.Limit > 0 {
		text += fmt.Sprintf(" LIMIT %d", q.Limit)
	}
	return text, args, nil
}

type cursor struct {
	Index   string `json:"i,omitzero"`
	Value   string `json:"v"`
	Key     string `json:"k"`
	Account string `json:"a"`
	Region  string `json:"r"`
}

func encodeCursor(index, value, key string, s Scope) string {
	b, _ := json.Marshal(cursor{index, value, key, s.Account, s.Region}) // strings only: cannot fail
	return base64.RawURLEncoding.EncodeToString(b)
}

func decodeCursor(index, text string) (c cursor, err error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return c, ErrCursor
	}
	if err := json.Unmarshal(b, &c); err != nil || c.Index != index {
		return c, ErrCursor
	}
	return c, nil
}
