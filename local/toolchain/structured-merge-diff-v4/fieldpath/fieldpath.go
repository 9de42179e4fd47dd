// Package fieldpath is major version 6 under the name of major version 4.
//
// Pulumi's provider names the types of version 4 and hands them to libraries that moved to version 6 with Kubernetes 1.34; nothing else in
// the toolchain uses version 4. With this the provider is built, unchanged, with the same Kubernetes modules as all other programs.
package fieldpath

import "sigs.k8s.io/structured-merge-diff/v6/fieldpath"

// Set is a set of paths to fields.
type Set = fieldpath.Set

// Path names a field.
type Path = fieldpath.Path

// MakePath makes a path of its parts.
var MakePath = fieldpath.MakePath
