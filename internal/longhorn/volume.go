package longhorn

import "cmp"

// The states of a volume that matter here.
const (
	Attached = "attached"
	Faulted  = "faulted" // a robustness
)

// Volume is one of Longhorn's volumes.
type Volume struct {
	Meta
	TargetName string // since 1.8
	Standby    bool   // of disaster recovery: it follows the backups of another cluster and has none of its own
	State      string
	Robustness string
	Restoring  bool // what it was made of has not all been read yet
}

// Target is the backup target that the volume's backups go to.
func (v Volume) Target() string { return cmp.Or(v.TargetName, Default) }

func (v *Volume) decode(raw []byte) error {
	return decode(raw, &v.Meta, func(key string, value part) {
		switch key {
		case "spec":
			value.each(func(key string, value part) {
				switch key {
				case "backupTargetName":
					v.TargetName = value.text()
				case "Standby":
					v.Standby = v.Standby || value.yes()
				}
			})
		case "status":
			value.each(func(key string, value part) {
				switch key {
				case "state":
					v.State = value.text()
				case "robustness":
					v.Robustness = value.text()
				case "restoreRequired":
					v.Restoring = value.yes()
				case "isStandby":
					v.Standby = v.Standby || value.yes()
				}
			})
		}
	})
}

// Bound is the phase of a PersistentVolume that a claim uses.
const Bound = "Bound"

// PV is a PersistentVolume, whoever provides it.
type PV struct {
	Meta
	Class        string
	Driver       string // of CSI; "" when it is not CSI's
	VolumeHandle string
	Claim        Reference // zero when it is for no claim
	Phase        string

	source string // a kind of source besides CSI
}

// Reference names an object.
type Reference struct{ Namespace, Name string }

func (r Reference) String() string { return r.Namespace + "/" + r.Name }

// Handle is the name of the Longhorn volume that the PersistentVolume stands for, and whether it stands for one. Only its driver and
// handle say so: a volume made by hand may have any name, any class and no annotation.
func (pv PV) Handle() (string, bool) {
	if pv.Driver != "driver.longhorn.io" && pv.Driver != "io.rancher.longhorn" {
		return "", false
	}
	return pv.VolumeHandle, true
}

// Provider is who keeps the data, as far as the object tells.
func (pv PV) Provider() string {
	return cmp.Or(pv.Driver, pv.Annotations[provisioner], pv.source, "another provider")
}

// String is what people call the volume: the claim's namespace and name, or the PersistentVolume's name.
func (pv PV) String() string {
	if pv.Claim.Name != "" {
		return pv.Claim.String()
	}
	return pv.Name
}

func (pv *PV) decode(raw []byte) error {
	return decode(raw, &pv.Meta, func(key string, value part) {
		switch key {
		case "spec":
			value.each(pv.spec)
		case "status":
			value.each(func(key string, value part) {
				if key == "phase" {
					pv.Phase = value.text()
				}
			})
		}
	})
}

func (pv *PV) spec(key string, value part) {
	switch key {
	case "storageClassName":
		pv.Class = value.text()
	case "csi":
		value.each(func(key string, value part) {
			switch key {
			case "driver":
				pv.Driver = value.text()
			case "volumeHandle":
				pv.VolumeHandle = value.text()
			}
		})
	case "claimRef":
		value.each(func(key string, value part) {
			switch key {
			case "namespace":
				pv.Claim.Namespace = value.text()
			case "name":
				pv.Claim.Name = value.text()
			}
		})
	case "nfs", "hostPath", "local":
		if !value.none() {
			pv.source = key
		}
	}
}

// Claim is a PersistentVolumeClaim.
type Claim struct {
	Meta
	VolumeName string // of the PersistentVolume that it is bound to, or waits for
}

func (c *Claim) decode(raw []byte) error {
	return decode(raw, &c.Meta, func(key string, value part) {
		if key == "spec" {
			value.each(func(key string, value part) {
				if key == "volumeName" {
					c.VolumeName = value.text()
				}
			})
		}
	})
}
