using System.Collections.Concurrent;
using System.Collections.Generic;
using System.ComponentModel.DataAnnotations;
using System.Threading;
using Microsoft.AspNetCore.Mvc;

namespace Everything;

/// <summary>An MVC controller: attribute routing, model binding from route and JSON body, validation problems as 400.</summary>
[ApiController]
[Route("mvc/notes")]
public sealed class NotesController : ControllerBase
{
    private static readonly ConcurrentDictionary<int, Note> Notes = new();
    private static int _lastId;

    /// <summary>A note; the title is required and bounded, so that a bad body shows the validation problem.</summary>
    public sealed record Note([Required, StringLength(40)] string Title, string? Text);

    [HttpGet]
    public IEnumerable<KeyValuePair<int, Note>> List() => Notes;

    [HttpGet("{id:int}")]
    public ActionResult<Note> Get(int id) => Notes.TryGetValue(id, out Note? note) ? note : NotFound();

    [HttpPost]
    public ActionResult<Note> Create(Note note)
    {
        int id = Interlocked.Increment(ref _lastId);
        Notes[id] = note;
        return CreatedAtAction(nameof(Get), new { id }, note);
    }

    [HttpDelete("{id:int}")]
    public IActionResult Delete(int id) => Notes.TryRemove(id, out _) ? NoContent() : NotFound();
}
