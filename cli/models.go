package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"vimps-gpu/nn/model"
)

func modelsCommand() *cli.Command {
	return &cli.Command{
		Name:        "models",
		Usage:       "list the nets that --model takes",
		Description: describe("Lists the nets by name, with the least image size of each.", "vimps-gpu models"),
		Action: func(c *cli.Context) error {
			for _, m := range model.All() {
				scales := ""
				if m.Scales != nil {
					scales = fmt.Sprintf("; scales %v", m.Scales)
				}
				fmt.Fprintf(c.App.Writer, "%-11s %s%s; images of %dx%d or more\n", m.Name, m.About, scales, m.MinSize, m.MinSize)
			}
			return nil
		},
	}
}
