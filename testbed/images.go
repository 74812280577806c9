package testbed

import (
	"context"
	"time"

	"noriter.dev/noriter/cluster/images"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/image"
	"noriter.dev/noriter/provision/machine"
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
	if _, ready := image.Find(t.home.Cache()); ready {
		// What containers need is small, and most often there, too.
		_, err := t.home.containerImages(ctx, binDir, func(string) {})
		return err
	}
	return step.Run(ctx, imageSteps(
		func(ctx context.Context, note func(string)) error {
			_, err := t.home.machineImage(ctx, t.Traits(), note)
			return err
		},
		func(ctx context.Context, note func(string)) error {
			_, err := t.home.containerImages(ctx, binDir, note)
			return err
		}), report)
}

func (h Home) machineImage(ctx context.Context, traits machine.Traits, note func(string)) (image.Image, error) {
	stocked, err := stock.Here()
	if err != nil {
		return image.Image{}, err
	}
	img, err := image.Ensure(ctx, image.Options{CacheDir: h.Cache(), Progress: note, Stock: stocked})
	if err != nil || !traits.Disk {
		return img, err
	}
	note(lang.T("disk", "디스크"))
	_, err = img.EnsureDisk(ctx)
	return img, err
}

func (h Home) containerImages(ctx context.Context, binDir string, note func(string)) (*images.Bundle, error) {
	stocked, err := stock.Here()
	if err != nil {
		return nil, err
	}
	return images.Build(ctx, images.Options{CacheDir: h.Cache(), BinDir: binDir, Progress: note, Stock: stocked})
}

// imageStocked says whether this program came with the machine image.
func imageStocked() bool {
	stocked, err := stock.Here()
	return err == nil && image.Stocked(stocked) // what is wrong with it shows when it is used
}
