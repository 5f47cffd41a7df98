package cli

import (
	"github.com/urfave/cli/v2"

	"vimps-gpu/nn/data"
)

// imageShape is all that a net needs to know of a data set.
type imageShape struct {
	H       int `json:"height"`
	W       int `json:"width"`
	C       int `json:"channels"`
	Classes int `json:"classes"`
}

// shapeFor is the shape of the images in --data or, without it, of those that the model is made for; nothing is read
// then.
func shapeFor(c *cli.Context, model string) (imageShape, error) {
	if !c.IsSet("data") {
		if model == "digitsnet" {
			return imageShape{8, 8, 1, 10}, nil
		}
		return imageShape{32, 32, 3, 10}, nil
	}
	set, err := data.Open(c.String("data"))
	if err != nil {
		return imageShape{}, err
	}
	return imageShape{set.Train.H(), set.Train.W(), set.Train.C(), len(set.Classes)}, nil
}
