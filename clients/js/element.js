// <landslide-vote contest="tv"></landslide-vote>: a vote in another site's page, in a frame that is as
// high as it needs to be. The frame does all of it; this only makes it and listens to its height.
//
//   contest   which one
//   src       where Landslide is, such as https://vote.example; by default where this file came from
//   lang      the language to show; by default the visitor's

const home = new URL(import.meta.url).origin;

export class LandslideVote extends HTMLElement {
  static observedAttributes = ["contest", "src", "lang"];

  /** @type {HTMLIFrameElement | null} */
  #frame = null;
  #origin = "";

  connectedCallback() {
    addEventListener("message", this.#hear);
    this.#show();
  }

  disconnectedCallback() {
    removeEventListener("message", this.#hear);
  }

  attributeChangedCallback() {
    if (this.isConnected) this.#show();
  }

  #show() {
    const contest = this.getAttribute("contest");
    if (!contest) return;
    const lang = this.getAttribute("lang");
    const base = new URL(this.getAttribute("src") || home, document.baseURI);
    const url = new URL(`/c/${encodeURIComponent(contest)}/embed`, base);
    if (lang) url.searchParams.set("lang", lang);
    if (this.#frame?.src === url.href) return;
    this.#origin = url.origin;
    const frame = document.createElement("iframe");
    frame.title = this.getAttribute("title") || "Vote";
    frame.allow = "web-share; clipboard-write";
    frame.loading = "lazy";
    Object.assign(frame.style, { display: "block", width: "100%", height: "32rem", border: "0" });
    frame.src = url.href;
    this.style.display = "block";
    this.replaceChildren(frame);
    this.#frame = frame;
  }

  /** @param {MessageEvent} event */
  #hear = (event) => {
    if (!this.#frame || event.source !== this.#frame.contentWindow || event.origin !== this.#origin) return;
    const { landslide, height } = event.data ?? {};
    if (landslide === "ready") this.#frame.contentWindow?.postMessage({ landslide: "height?" }, this.#origin);
    // A height that no page has is no height.
    if (landslide !== "height" || !(height > 0 && height < 100_000)) return;
    this.#frame.style.height = `${height}px`;
  };
}

if (!customElements.get("landslide-vote")) customElements.define("landslide-vote", LandslideVote);
