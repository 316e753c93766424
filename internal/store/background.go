package store

import "context"

// maxBackground is how many background Updates stand in the writer's queue on SQLite.
// Enough share a commit to keep the disk busy, and they are few beside a hundred
// requests: with all of the engine's in the queue the 99th percentile of a thousand
// StartBuilds, a hundred at once, was 176-268 ms, so it is 113-191 (penstock bench).
const maxBackground = 8

type backgroundKey struct{}

// Background marks the Updates made with ctx as work that no client waits for: it
// gives way to what clients do wait for.
func Background(ctx context.Context) context.Context {
	return context.WithValue(ctx, backgroundKey{}, true)
}

func isBackground(ctx context.Context) bool { return ctx.Value(backgroundKey{}) != nil }
