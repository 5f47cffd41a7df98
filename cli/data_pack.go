package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"vimps-gpu/nn/data"
)

func dataPackCommand() *cli.Command {
	return &cli.Command{
		Name:  "pack",
		Usage: "decode and resize the images of a folder once, into one file that training maps into memory",
		Description: describe("Every image is resized so that its shorter side has --size pixels and written as it is read in training, with its label\n"+
			"and checksums, to a new file. The file is there whole or not at all. --data pack:FILE reads it: its tables are checked whenever\n"+
			"it is opened, the pixels by vimps-gpu data --data pack:FILE.",
			"vimps-gpu data pack --data folder:IMAGENET --size 256 --out imagenet.pack", "vimps-gpu search --data pack:imagenet.pack,size=224 --model resnet18"),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "data", Usage: "folder:DIR, an ImageFolder or ImageNet's layout", Required: true},
			&cli.IntFlag{Name: "size", Usage: "shorter side of a packed image, in pixels; 256 is what test images of 224 are cropped from", Value: 256},
			&cli.StringFlag{Name: "out", Usage: "file to write", Required: true},
			jsonFlag(),
		},
		Action: packData,
	}
}

// packedData is what was packed, as JSON.
type packedData struct {
	File    string `json:"file"`
	Bytes   int64  `json:"bytes"`
	Size    int    `json:"size"`
	Train   int    `json:"train_images"`
	Test    int    `json:"test_images"`
	Classes int    `json:"classes"`
}

func packData(c *cli.Context) error {
	defer interruptible(c)()
	name, dir, _ := strings.Cut(c.String("data"), ":")
	if name != "folder" || dir == "" {
		return usagef("--data %s: want folder:DIR, since only folders of images are packed", c.String("data"))
	}
	if size := c.Int("size"); size < 8 || size > 4096 {
		return usagef("--size %d: want 8 to 4096", size)
	}
	tenth := 0
	p, err := data.WritePack(c.Context, c.String("out"), dir, c.Int("size"), func(images, of int) {
		if now := 10 * images / of; now > tenth {
			tenth = now
			fmt.Fprintf(c.App.ErrWriter, "%d of %d images\n", images, of)
		}
	})
	if errors.Is(err, context.Canceled) {
		return errNothingWritten
	}
	if err != nil {
		return err
	}
	out := packedData{c.String("out"), p.Bytes, c.Int("size"), p.Train, p.Test, p.Classes}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, out)
	}
	_, err = fmt.Fprintf(c.App.Writer, "%s: %d training and %d test images in %d classes, shorter side %d, %d bytes; read it with --data pack:%s\n",
		out.File, out.Train, out.Test, out.Classes, out.Size, out.Bytes, out.File)
	return err
}
