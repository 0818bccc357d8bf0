/** `<landslide-vote contest="tv" src="https://vote.example" lang="de">` */
export class LandslideVote extends HTMLElement {}

declare global {
  interface HTMLElementTagNameMap {
    "landslide-vote": LandslideVote;
  }
}
