package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"vimps-gpu/nn/data"
	"vimps-gpu/nn/model"
)

// imageShape is all that a net needs to know of a data set.
type imageShape struct {
	H       int `json:"height"`
	W       int `json:"width"`
	C       int `json:"channels"`
	Classes int `json:"classes"`
	Scale   int `json:"scale,omitempty"` // of super-resolution
}

// shapeFor is the shape of the images in --data or, without it, of those that the model is made for.
func shapeFor(c *cli.Context, name string) (imageShape, error) {
	if !c.IsSet("data") {
		if model.IsFile(name) {
			return shapeOfFile(name)
		}
		switch name {
		case "digitsnet":
			return imageShape{8, 8, 1, 10, 0}, nil
		case "resnet18", "mobilenetv2":
			return imageShape{224, 224, 3, 1000, 0}, nil
		case "espcn", "srresnet":
			return imageShape{24, 24, 1, 0, 3}, nil
		}
		return imageShape{32, 32, 3, 10, 0}, nil
	}
	set, err := data.Open(c.String("data"))
	if err != nil {
		return imageShape{}, err
	}
	return imageShape{set.Train.H(), set.Train.W(), set.Train.C(), len(set.Classes), set.Scale}, nil
}

// shapeOfFile is what a net in a file reads and makes, if the file says it.
func shapeOfFile(name string) (imageShape, error) {
	m, err := model.Find(name)
	if err != nil {
		return imageShape{}, asUsage(err)
	}
	g, err := m.Graph(model.Input{})
	if err != nil {
		return imageShape{}, asUsage(fmt.Errorf("--model %w", err))
	}
	in, out := g.Nodes[0], g.Output()
	if g.Restores() {
		return imageShape{in.H, in.W, in.C, 0, out.H / in.H}, nil
	}
	return imageShape{in.H, in.W, in.C, out.C, 0}, nil
}
