// Package main is one binary for every part of a Kubernetes cluster that the tests start: the first argument says which.
//
// Built once and cached by `tests/kubernetes/setup`; started by the module `cluster` of the crate beside it.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func main() {
	if len(os.Args) < 2 {
		fail("say which part")
	}
	part := os.Args[1]
	os.Args = os.Args[1:]
	var command *cobra.Command
	switch part {
	case "etcd":
		etcdmain.Main(os.Args)
		return
	case "kube-apiserver":
		command = apiserver.NewAPIServerCommand()
	case "kube-controller-manager":
		command = controllers.NewControllerManagerCommand()
	case "kube-scheduler":
		command = scheduler.NewSchedulerCommand()
	case "kubelet":
		command = kubelet.NewKubeletCommand(context.Background())
	case "kubectl":
		command = kubectl.NewDefaultKubectlCommand()
	default:
		fail("no part is named " + part)
	}
	os.Exit(cli.Run(command))
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, why+": etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubelet or kubectl")
	os.Exit(2)
}
