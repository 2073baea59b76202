# A recipe for Spack: put this folder as packages/dho into a repository of yours
# (spack repo create REPO), then: spack install dho
from spack.package import *


class Dho(CMakePackage):
    """Distributed training in C for semi-supervised knowledge distillation from vision-language
    models by Dual-Head Optimization (arXiv 2505.07675)."""

    # url and git: where your copy of the sources is; "launch/package.sh source" makes the tarball.
    version("0.1.0")

    variant("onednn", default=True, description="oneDNN's kernels, and bf16")
    variant("shared", default=False, description="libdho as a shared library")
    variant("native", default=True, description="Built for the target's processor alone")

    depends_on("c", type="build")
    depends_on("cmake@3.20:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("openmpi@4.1:")
    depends_on("blis threads=openmp")
    depends_on("onednn@2.6:3 cpu_runtime=omp", when="+onednn")
    depends_on("libjpeg-turbo")
    depends_on("libpng")
    depends_on("libwebp")
    depends_on("libtiff")
    depends_on("giflib")
    depends_on("libyaml")
    depends_on("jansson")
    depends_on("zlib-api")
    depends_on("libdeflate")
    depends_on("minizip")
    depends_on("libarchive")
    depends_on("libunistring")

    def cmake_args(self):
        return [
            self.define_from_variant("DHO_NATIVE", "native"),
            self.define_from_variant("BUILD_SHARED_LIBS", "shared"),
            self.define("DHO_ONEDNN", "ON" if self.spec.satisfies("+onednn") else "OFF"),
            self.define("BUILD_TESTING", False),
        ]
