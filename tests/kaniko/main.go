// Kaniko's executor as a program of its own: no image of it can be pulled where the tests run.
package main

import (
	"os"

	"github.com/GoogleContainerTools/kaniko/cmd/executor/cmd"
)

func main() {
	if err := cmd.RootCmd.Execute(); err != nil {
		os.Exit(1)
	}
}
