// Package mirror keeps container images under the names that the world gives them
// (postgres:16, public.ecr.aws/…), so that builds and tasks find them without a
// network. Images come from the host's Docker Engine; their bytes lie in blob, what
// they are in rows. `penstock mirror` calls Add, List and Remove; the registry's
// handlers call Resolve and Blob. It never talks to a registry itself.
package mirror
