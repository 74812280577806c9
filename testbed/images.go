package testbed

import (
	"context"
	"time"

	"noriter.dev/noriter/cluster/images"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/image"
	"noriter.dev/noriter/provision/step"
	"noriter.dev/noriter/provision/stock"
)

type stepFunc = func(ctx context.Context, note func(string)) error

// imageSteps are the two steps that make what all testbeds share.
func imageSteps(machines, containers stepFunc) []step.Step {
	return []step.Step{{
		ID: "image", Title: lang.Text{EN: "Machine image", KO: "머신 이미지"}, Limit: 30 * time.Minute,
		Advice: lang.Text{
			EN: "the image is made from Debian's packages once, and then kept; it needs a package mirror that answers",
			KO: "이미지는 데비안 패키지로 한 번만 만들고 보관합니다. 응답하는 패키지 미러가 필요합니다",
		},
		Run: machines,
	}, {
		ID: "containers", Title: lang.Text{EN: "Container images", KO: "컨테이너 이미지"}, Limit: 30 * time.Minute,
		Run: containers,
	}}
}

// BuildImages makes the images that the cache lacks. It is for before an
// isolated testbed's network namespace is entered: no package mirror can be
// reached from in there.
func (t *Testbed) BuildImages(ctx context.Context, binDir string, report step.Reporter) error {
	if err := t.noteUse(); err != nil {
		return err
	}
	if t.imageReady() && images.Ready(ctx, t.home.imagesOptions(binDir)) {
		return nil
	}
	return step.Run(ctx, imageSteps(
		func(ctx context.Context, note func(string)) error {
			_, err := t.machineImage(ctx, note)
			return err
		},
		func(ctx context.Context, note func(string)) error {
			_, err := t.home.containerImages(ctx, binDir, note)
			return err
		}), report)
}

// imageReady says that nothing has to be built for the testbed's machines.
func (t *Testbed) imageReady() bool {
	if t.onOlderImage() {
		return true // which nobody can build any more
	}
	_, ready := image.Find(t.home.Cache())
	return ready
}

// onOlderImage says that the machines were made from an image of another recipe than
// this nori's. They stay on it.
func (t *Testbed) onOlderImage() bool { return t.made() && t.state.ImageID != image.PresentID() }

// machineImage gives the image that the testbed's machines are made from, or were.
func (t *Testbed) machineImage(ctx context.Context, note func(string)) (img image.Image, err error) {
	if t.onOlderImage() {
		if err := t.canStay(); err != nil {
			return image.Image{}, err
		}
		img, err = t.image()
	} else {
		if err := t.hasItsRoot(); err != nil {
			return image.Image{}, err
		}
		o := t.imageOptions()
		if o.Stock, err = stock.Here(); err != nil {
			return image.Image{}, err
		}
		o.Progress, o.Say = note, func(line string) { step.Say(ctx, line) }
		img, err = image.Ensure(ctx, o)
	}
	if err == nil && t.Traits().Disk {
		note(lang.T("disk", "디스크"))
		_, err = img.EnsureDisk(ctx)
	}
	return img, t.whatToType(err)
}

func (t *Testbed) imageOptions() image.Options {
	return image.Options{CacheDir: t.home.Cache(), Disk: t.Traits().Disk, Standing: t.home.standingOn}
}

func (h Home) containerImages(ctx context.Context, binDir string, note func(string)) (*images.Bundle, error) {
	stocked, err := stock.Here()
	if err != nil {
		return nil, err
	}
	o := h.imagesOptions(binDir)
	o.Progress, o.Say, o.Stock = note, func(line string) { step.Say(ctx, line) }, stocked
	return images.Build(ctx, o)
}

func (h Home) imagesOptions(binDir string) images.Options {
	return images.Options{CacheDir: h.Cache(), BinDir: binDir}
}

// imageStocked says whether this program came with the machine image.
func imageStocked() bool {
	stocked, err := stock.Here()
	return err == nil && image.Stocked(stocked) // what is wrong with it shows when it is used
}
