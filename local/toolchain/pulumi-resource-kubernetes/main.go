// Command pulumi-resource-kubernetes is Pulumi's own provider for Kubernetes. Its Go module is served without the generated files that its
// main package embeds; ours embeds the files from which those are generated, which the build takes out of the very same module.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

//go:embed schema.json
var schema []byte

//go:embed terraform-mapping.json
var mapping []byte

func main() {
	provider.Serve("kubernetes", version.Version, schema, mapping)
}
