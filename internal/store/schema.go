package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// collection is a Schema made ready: the SQL texts are built once.
type collection[T any] struct {
	Schema[T]
	indexes []string // sorted names
	get     string
	insert  string
	update  string
	remove  string
}

// Define makes a collection of the schema. It is stateless: the same value serves
// any number of databases. It panics on a name that SQL could not quote, as that
// is a mistake in the source.
func Define[T any](s Schema[T]) Collection[T] {
	c := &collection[T]{Schema: s, indexes: slices.Sorted(maps.Keys(s.Index))}
	for _, name := range append([]string{s.Table}, c.indexes...) {
		if name == "" || strings.ContainsAny(name, "\"\x00") {
			panic(fmt.Sprintf("store: %q cannot name a table or index of %q", name, s.Table))
		}
	}
	names, marks, sets := "", "", ""
	for i, name := range c.indexes {
		names += ", " + column(name)
		marks += fmt.Sprintf(", $%d", i+6)
		sets += fmt.Sprintf(", %s = $%d", column(name), i+7)
	}
	t := quote(s.Table)
	where := ` WHERE account = $1 AND region = $2 AND "key" = $3`
	c.get = "SELECT version, schema_number, document FROM " + t + where
	c.insert = `INSERT INTO ` + t + ` (account, region, "key", version, schema_number, document` + names + `) VALUES ($1, $2, $3, 1, $4, $5` + marks + `) ON CONFLICT DO NOTHING`
	c.update = `UPDATE ` + t + ` SET version = version + 1, schema_number = $4, document = $5` + sets + where + ` AND version = $6 AND schema_number <= $4`
	c.remove = `DELETE FROM ` + t + where + ` AND version = $4`
	return c
}

func (c *collection[T]) Name() string { return c.Table }

func quote(name string) string  { return `"` + name + `"` }
func column(name string) string { return quote("ix_" + name) }

// migrate makes the table and adds the index columns that are not there yet,
// filling them from the documents.
func (c *collection[T]) migrate(ctx context.Context, t *transaction) error {
	_, err := t.exec(ctx, `CREATE TABLE IF NOT EXISTS `+quote(c.Table)+` (
	account {{text}} NOT NULL, region {{text}} NOT NULL, "key" {{text}} NOT NULL,
	version BIGINT NOT NULL, schema_number BIGINT NOT NULL, document TEXT NOT NULL,
	PRIMARY KEY (account, region, "key"))`)
	if err != nil {
		return fmt.Errorf("make table %s: %w", c.Table, err)
	}
	have := map[string]bool{}
	err = t.query(ctx, t.db.dialect.columns, []any{c.Table}, func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		have[name] = true
		return err
	})
	if err != nil {
		return fmt.Errorf("columns of %s: %w", c.Table, err)
	}
	fill := false
	for _, name := range c.indexes {
		if !have["ix_"+name] {
			fill = true
			if _, err := t.exec(ctx, `ALTER TABLE `+quote(c.Table)+` ADD COLUMN `+column(name)+` {{text}} NOT NULL DEFAULT ''`); err != nil {
				return fmt.Errorf("add index %s of %s: %w", name, c.Table, err)
			}
		}
		_, err := t.exec(ctx, `CREATE INDEX IF NOT EXISTS `+quote(c.Table+"_"+name)+` ON `+quote(c.Table)+` (account, region, `+column(name)+`, "key")`)
		if err != nil {
			return fmt.Errorf("make index %s of %s: %w", name, c.Table, err)
		}
	}
	if !fill {
		return nil
	}
	return c.fill(ctx, t)
}

// fill computes the index columns of every document. A new index is made once per
// release, so all documents are read at once.
func (c *collection[T]) fill(ctx context.Context, t *transaction) error {
	docs, err := c.List(ctx, t, Scope{}, Query{})
	if err != nil {
		return err
	}
	set := ""
	for i, name := range c.indexes {
		set += fmt.Sprintf(", %s = $%d", column(name), i+4)
	}
	for _, d := range docs {
		args := append([]any{d.Scope.Account, d.Scope.Region, d.Key}, c.values(d.Value)...)
		_, err := t.exec(ctx, `UPDATE `+quote(c.Table)+` SET `+set[2:]+` WHERE account = $1 AND region = $2 AND "key" = $3`, args...)
		if err != nil {
			return fmt.Errorf("fill indexes of %s %s: %w", c.Table, d.Key, err)
		}
	}
	return nil
}

func (c *collection[T]) values(v T) []any {
	out := make([]any, len(c.indexes))
	for i, name := range c.indexes {
		out[i] = c.Index[name](v)
	}
	return out
}

// decode reads a document, upgrading an older one.
func (c *collection[T]) decode(document string, number int) (v T, err error) {
	if number < c.Number {
		raw := map[string]any{}
		if err := json.Unmarshal([]byte(document), &raw); err != nil {
			return v, err
		}
		for n := number; n < c.Number; n++ {
			if up := c.Upgrade[n]; up != nil {
				up(raw)
			}
		}
		b, err := json.Marshal(raw)
		if err != nil {
			return v, err
		}
		document = string(b)
	}
	return v, json.Unmarshal([]byte(document), &v)
}
