# The smallest machine that passes devices through: virt, PCIe, virtio and vfio-apple-pci.
CONFIG_ARM_VIRT=y
CONFIG_PCIE_PORT=y
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_BLK=y
CONFIG_VIRTIO_NET=y
CONFIG_VIRTIO_RNG=y
CONFIG_VIRTIO_SERIAL=y
CONFIG_VFIO_PCI=y
CONFIG_VFIO_APPLE=y
# Emulated devices to compare with.
CONFIG_EDU=y
CONFIG_NVME_PCI=y
CONFIG_SPDM_SOCKET=y
