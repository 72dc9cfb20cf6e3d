// Search runs in a worker, which browsers refuse to pages that were opened from the disk. Here a
// hidden frame, which they allow, takes the worker's place; pages of a server keep the worker.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      this.inside = this.frame.contentWindow;
      const page = this.inside.document;
      page.open();
      page.write("<!doctype html><title>search</title><body>");
      page.close();
      this.inside.postMessage = (data) => {
        const message = new MessageEvent("message", { data });
        this.dispatchEvent(message);
        this.onmessage?.(message);
      };
      const load = (script) =>
        new Promise((done, failed) => {
          const element = page.createElement("script");
          element.onload = done;
          element.onerror = failed;
          element.src = new URL(script, address);
          page.body.append(element);
        });
      this.inside.importScripts = async (...scripts) => {
        for (const script of scripts) await load(script);
      };
      this.ready = load((address = new URL(address, location)));
    }

    postMessage(data) {
      const message = () => new this.inside.MessageEvent("message", { data });
      this.ready.then(() => this.inside.dispatchEvent(message()));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
