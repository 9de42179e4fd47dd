// Command kwok is KWOK with the stages that it ships built in: since 0.8 the program by itself knows no way for a node or pod to become ready.
package main

import (
	"os"
	"strings"

	"github.com/spf13/pflag"
	"sigs.k8s.io/kwok/kustomize/stage/node/fast"
	lease "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	pod "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	"sigs.k8s.io/kwok/pkg/config"
	"sigs.k8s.io/kwok/pkg/kwok/cmd"
	"sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/signals"
)

func main() {
	if err := run(); err != nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
}

func run() error {
	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}
	file, err := stages()
	if err != nil {
		return err
	}
	os.Args = append(os.Args, "--config="+file)
	ctx, _ := log.InitFlags(signals.SetupSignalContext(), flags)
	ctx, err = config.InitFlags(ctx, flags)
	_ = os.Remove(file)
	if err != nil {
		return err
	}
	command := cmd.NewCommand(ctx)
	command.PersistentFlags().AddFlagSet(flags)
	return command.ExecuteContext(ctx)
}

// stages writes what nodes and pods go through into a file, for KWOK takes configuration from files alone.
func stages() (string, error) {
	file, err := os.CreateTemp("", "stages-*.yaml")
	if err != nil {
		return "", err
	}
	all := []string{fast.DefaultNodeInit, lease.DefaultNodeHeartbeatWithLease, pod.DefaultPodReady, pod.DefaultPodComplete, pod.DefaultPodDelete}
	if _, err = file.WriteString(strings.Join(all, "\n---\n")); err != nil {
		return "", err
	}
	return file.Name(), file.Close()
}
