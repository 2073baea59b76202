/* The students: DHO_MODEL(word of student.model, builder function, the published model's name of
 * its head, columns of dho_model_size as published). Everything that knows of students is made from
 * these rows; docs/extending.md shows how to add one. No include guard: it is read several times.
 *
 * CLIP's sizes are those of table 20 of its paper; H/14: open_clip's ViT-H-14-378-quickgelu. */
DHO_MODEL(resnet18, dho_build_resnet18, "fc", .width = 64, .timm = "resnet18")
DHO_MODEL(resnet50, dho_build_resnet50, "fc", .width = 64, .timm = "resnet50")
DHO_MODEL(mobilenet_v2, dho_build_mobilenet_v2, "classifier.1", .width = 32,
          .timm = "mobilenetv2_100")
DHO_MODEL(convnext_tiny, dho_build_convnext_tiny, "classifier.2", .width = 96,
          .timm = "convnext_tiny")
DHO_MODEL(vit_s16, dho_build_vit, "head", .width = 384, .layers = 12, .patch = 16, .head_dim = 64,
          .timm = "vit_small_patch16_224")
DHO_MODEL(clip_rn50, dho_build_clip_resnet50, "head", .width = 64, .head_dim = 64, .embed = 1024,
          .timm = "resnet50_clip")
DHO_MODEL(clip_vit_b16, dho_build_clip_vit, "head", .width = 768, .layers = 12, .patch = 16,
          .head_dim = 64, .embed = 512, .gelu = DHO_GELU_QUICK,
          .timm = "vit_base_patch16_clip_quickgelu_224")
DHO_MODEL(clip_vit_l14, dho_build_clip_vit, "head", .width = 1024, .layers = 24, .patch = 14,
          .head_dim = 64, .embed = 768, .gelu = DHO_GELU_QUICK,
          .timm = "vit_large_patch14_clip_quickgelu_224")
DHO_MODEL(clip_vit_l14_336, dho_build_clip_vit, "head", .width = 1024, .layers = 24, .patch = 14,
          .head_dim = 64, .embed = 768, .gelu = DHO_GELU_QUICK,
          .timm = "vit_large_patch14_clip_quickgelu_336")
DHO_MODEL(clip_vit_h14_378, dho_build_clip_vit, "head", .width = 1280, .layers = 32, .patch = 14,
          .head_dim = 80, .embed = 1024, .gelu = DHO_GELU_QUICK,
          .timm = "vit_huge_patch14_clip_quickgelu_378")
