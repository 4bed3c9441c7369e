package web

import "net/http"

func (s *Server) alertPage(w http.ResponseWriter, r *http.Request) error      { return missing("x") }
func (s *Server) ackForm(w http.ResponseWriter, r *http.Request) error        { return missing("x") }
func (s *Server) rulesPage(w http.ResponseWriter, r *http.Request) error      { return missing("x") }
func (s *Server) rulePage(w http.ResponseWriter, r *http.Request) error       { return missing("x") }
func (s *Server) editorPage(w http.ResponseWriter, r *http.Request) error     { return missing("x") }
func (s *Server) editorForm(w http.ResponseWriter, r *http.Request) error     { return missing("x") }
func (s *Server) backtestPart(w http.ResponseWriter, r *http.Request) error   { return missing("x") }
func (s *Server) explorePage(w http.ResponseWriter, r *http.Request) error    { return missing("x") }
func (s *Server) silencesPage(w http.ResponseWriter, r *http.Request) error   { return missing("x") }
func (s *Server) silencePreview(w http.ResponseWriter, r *http.Request) error { return missing("x") }
func (s *Server) silenceForm(w http.ResponseWriter, r *http.Request) error    { return missing("x") }
func (s *Server) expireForm(w http.ResponseWriter, r *http.Request) error     { return missing("x") }
func (s *Server) enginePage(w http.ResponseWriter, r *http.Request) error     { return missing("x") }
func (s *Server) replayForm(w http.ResponseWriter, r *http.Request) error     { return missing("x") }
