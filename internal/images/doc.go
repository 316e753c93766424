// Package images brings images to the host's Engine for what is about to start. It is
// compute.Images: a name as users write it becomes a reference that the Engine has.
//
// ecs calls it with a task's execution role, codebuild with a build's service role.
// Images of an account's registry are asked for as that role and pulled by the
// registry's loopback alias; public ones come from the Engine itself, from the mirror,
// or from where their name says. Its errors have ECS's words.
package images
