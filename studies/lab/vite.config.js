// One page with everything in it: it opens from a file, without a server and without a network.
import { defineConfig } from "vite";

const inline = {
  name: "inline",
  enforce: "post",
  generateBundle(_, bundle) {
    const page = bundle["index.html"];
    for (const [name, file] of Object.entries(bundle)) {
      if (name === "index.html") continue;
      const text = file.type === "chunk" ? file.code : file.source;
      const tag =
        file.type === "chunk"
          ? [/<script type="module"[^>]*><\/script>/, `<script type="module">${text}</script>`]
          : [/<link rel="stylesheet"[^>]*>/, `<style>${text}</style>`];
      page.source = page.source.replace(tag[0], () => "");
      page.source = page.source.replace(
        file.type === "chunk" ? "</body>" : "</head>",
        () => tag[1] + (file.type === "chunk" ? "</body>" : "</head>"),
      );
      delete bundle[name];
    }
  },
};

export default defineConfig({
  base: "./",
  build: { modulePreload: false, outDir: "dist", assetsInlineLimit: 1e6 },
  plugins: [inline],
});
