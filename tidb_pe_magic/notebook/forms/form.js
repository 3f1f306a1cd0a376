// Can run several times for a form that is shown; only the first time counts.
// `this` is the form's style element.
const form = this.closest('.tidb-pe-form');
const button = event => event.target.closest('button');
const first = form && !form.tidbPeReady;
if (form) form.tidbPeReady = true;

if (first) {
  // A focus that a script gives is shown as one that the keyboard gives, unless it follows the mouse.
  let byMouse = false;
  const focus = node => {
    node.classList.toggle('tidb-pe-by-mouse', byMouse);
    node.focus({preventScroll: true});
  };
  form.addEventListener('keydown', () => {
    byMouse = false;
    document.activeElement.classList.remove('tidb-pe-by-mouse');
  }, true);

  // JupyterLab takes a letter that is pressed in a list, or Enter on a button, for one of the notebook's own
  // shortcuts (`m` makes the cell a text, `x` cuts it), and ipywidgets has no attribute that says otherwise.
  form.addEventListener('focusin', event => {
    if (event.target.matches('select, button, input')) {
      event.target.setAttribute('data-lm-suppress-shortcuts', 'true');
    }
  });

  // A field sends what was typed when it loses the focus, and what comes of that can move a button away from
  // under a mouse that presses it: no click would come. So the focus moves with the click, not with the press.
  form.addEventListener('mousedown', event => {
    if (button(event)) event.preventDefault();
  });
  form.addEventListener('click', event => {
    const clicked = button(event);
    if (!clicked || clicked === document.activeElement) return;
    byMouse = event.detail > 0;
    focus(clicked);
  }, true);

  // Whoever double-clicks means one click: the second one would close what the first one opened, or reach a
  // button that has moved under the mouse.
  form.addEventListener('click', event => {
    if (event.detail > 1 && button(event)) event.stopPropagation();
  }, true);

  // Copies the command beside a Copy button; on a page that is not served securely, by way of the selection.
  form.addEventListener('click', async event => {
    const copy = event.target.closest('.tidb-pe-copy');
    if (!copy) return;
    const code = copy.parentElement.querySelector('code');
    const text = [...code.children].map(line => line.textContent).join('\n');
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      getSelection().selectAllChildren(code);
      document.execCommand('copy');
    }
    copy.textContent = 'Copied';
    setTimeout(() => { copy.textContent = 'Copy'; }, 1500);
  });

  // A button that is disabled while the form works loses the focus, and so does one whose step is closed. The
  // keyboard continues at the button once it is enabled, or at the head of the step that was opened.
  let last = null;
  const gone = () => document.activeElement === document.body || document.activeElement === null;
  const visible = node => node.isConnected && node.offsetParent !== null;
  form.addEventListener('focusin', event => { last = event.target; });
  for (const leaves of ['focusin', 'mousedown']) {
    document.addEventListener(leaves, event => { if (!form.contains(event.target)) last = null; }, true);
  }
  new MutationObserver(() => {
    if (!last || !gone()) return;
    if (visible(last)) {
      if (!last.disabled) focus(last);
      return;
    }
    const head = [...form.querySelectorAll('.tidb-pe-head')].find(each => visible(each.nextElementSibling));
    if (head) focus(head);
  }).observe(form, {subtree: true, attributes: true, attributeFilter: ['disabled', 'style', 'class']});
}
